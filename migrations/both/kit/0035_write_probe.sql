-- Written to by /readyz to see that something can be stored; a row goes in the transaction that brought it.
CREATE TABLE write_probe (
    id TEXT PRIMARY KEY
);
