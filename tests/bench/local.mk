# tests/bench - the load client and the table of `./dev bench`.
