"""Where the records of a part go to: two desks behind one protocol (see carrying.Desk)."""
