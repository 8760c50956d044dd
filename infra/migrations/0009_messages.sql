-- What people were told, way by way: written with the position of the consumer that found it due, and never the text,
-- the number or the name. A message is its fact and its kind: the same one is written once.
CREATE TABLE message (
    position   bigint NOT NULL,                -- of the fact it tells of
    kind       text NOT NULL,
    channel    text NOT NULL,                  -- sms, email, notify-1, notify-2 …
    person     text NOT NULL,
    booking    text NOT NULL,
    state      text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'delivered', 'failed', 'suppressed')),
    why        text,                           -- of the state, in a word: superseded, cap, smtp-550, UNDELIV …
    attempts   integer NOT NULL DEFAULT 0,
    queued_at  timestamptz NOT NULL,
    due_at     timestamptz,                    -- of the next attempt; NULL: there is none
    tried_at   timestamptz,                    -- the first attempt that reached for the other side
    sent_at    timestamptz,                    -- taken over by it
    settled_at timestamptz,                    -- from here on nothing changes
    PRIMARY KEY (position, kind, channel)
);
CREATE INDEX message_due ON message (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX message_unsettled ON message (sent_at) WHERE state = 'sent' AND settled_at IS NULL;
CREATE INDEX message_person ON message (person, tried_at);
CREATE INDEX message_booking ON message (booking);
CREATE INDEX message_reminder ON message (tried_at) WHERE kind = 'reminder';

-- Parts that a receipt is awaited of. Receipts may come before the message is known to have been sent.
CREATE TABLE message_part (
    receipt   text PRIMARY KEY,                -- the id that the other side will name it by
    position  bigint,                          -- NULL: a receipt of something not known yet
    kind      text,
    channel   text,
    delivered boolean,                         -- NULL: not told yet
    why       text,
    noted_at  timestamptz NOT NULL
);
CREATE INDEX message_part_message ON message_part (position, kind, channel);

-- Days whose visits have been reminded of, and hours of reminders that a fact tells of: each is done once.
CREATE TABLE reminded_day (day date PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE reminder_hour (since timestamptz PRIMARY KEY, at timestamptz NOT NULL);
