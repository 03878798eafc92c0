-- The latest time ever seen: consent is never decided at an earlier one, also after a start with a clock that was put back.
CREATE INDEX audit_by_time ON audit (at);
