"""`make vm`: a virtual machine as users have them, started, bootstrapped, and reset in mid-life."""
