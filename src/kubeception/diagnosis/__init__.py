"""What keeps a host from its work that we have not made: found, named, with what helps."""
