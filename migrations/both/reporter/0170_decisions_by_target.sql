-- What the page's charts read: a target's newest windows.
CREATE INDEX decisions_by_target ON decisions (target, window_end, id);
CREATE INDEX decisions_by_window ON decisions (window_end, id);
