-- A day's windows are found by their ends, which another index has: a window is a day long at most.
DROP INDEX decisions_by_target_window;
