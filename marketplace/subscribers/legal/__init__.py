"""What the law wants a site to say, and help that reaches the operator."""
