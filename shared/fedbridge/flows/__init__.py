"""The story of a sign-in, one module a step: begin, finish, redeem, userinfo."""
