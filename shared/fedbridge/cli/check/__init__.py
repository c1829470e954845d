"""`fedbridge check`: tests a connection for real, without a user, and says what to mend."""
