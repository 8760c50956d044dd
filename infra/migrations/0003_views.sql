-- How far each view has folded the log. The row's lock is the right to change the view: it is taken before any row of it.
-- A view's own tables are not made here: they are never migrated, they are replayed (projections/storage.py).
CREATE TABLE view_position (
    name       text PRIMARY KEY,               -- its tables are in the schema view_<name>
    version    integer NOT NULL,               -- of the view's tables and fold
    position   bigint NOT NULL,                -- of the last fact folded; 0: none
    at         timestamptz,                    -- the `at` of that fact; NULL: none
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);                      -- written many times a second: leave each new version room on its page
