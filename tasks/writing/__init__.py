"""Where the records of a part go to: two writers behind one protocol (see carrying.ContactWriter)."""
