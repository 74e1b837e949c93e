-- Solutions to check, and the place of the first wrong step of each, from 0; NULL in the list: no step is wrong.

ALTER TABLE questions ADD COLUMN worked STRUCT(answer INTEGER, steps VARCHAR[])[] DEFAULT [];
ALTER TABLE questions ADD COLUMN mistakes INTEGER[] DEFAULT [];
