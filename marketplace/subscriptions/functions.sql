CREATE UNIQUE INDEX IF NOT EXISTS one_subscription_each ON subscription (partner, dataset) WHERE state <> 'ended';
CREATE INDEX IF NOT EXISTS subscription_active ON subscription (dataset) WHERE state = 'active';
