"""What each component's files and objects say: config and facts in, data out; one module each."""
