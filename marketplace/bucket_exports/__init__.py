"""Each new purchase put into a partner's own S3 bucket: sealed credentials, once each, with what went wrong on a page."""
