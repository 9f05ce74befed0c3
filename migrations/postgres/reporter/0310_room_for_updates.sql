-- Each window adds to its day's rows. With room on their pages they are changed in place, without their indexes; less of it than where
-- rows are few, as those of past days stay for a year.
ALTER TABLE days SET (fillfactor = 70);
