CREATE INDEX IF NOT EXISTS part_by_reference ON contribution_part (segment, last_reference);
CREATE INDEX IF NOT EXISTS sold_release_not_indexed ON sold_release (number) WHERE segment IS NULL;
CREATE INDEX IF NOT EXISTS segment_in_use ON contribution_segment (state) WHERE state <> 'retired';
