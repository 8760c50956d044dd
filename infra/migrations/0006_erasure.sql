-- What has been erased is compared with the erasure ledger at every start, without reading the whole log for it.
CREATE INDEX log_erasure ON log (position) WHERE type = 'PersonErased.v1';

-- Under which key-encryption key the vault seals from here on: read with the append lock, so that no process decides
-- with keys of before a rotation. NULL: rows found by number as before there were rotations, to be brought up first.
ALTER TABLE log_head ADD COLUMN vault_kek text;
