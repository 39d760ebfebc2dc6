# One command per chore, the same as CI.

# Everything that must hold before a change is taken.
check:
    .ci/run

# All tests.
test:
    cargo test --workspace

# The documentation, warnings as errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Every fuzz target for some seconds.
fuzz seconds="10":
    .ci/fuzz {{seconds}}

# Benchmarks; each prints a ratio from one run.
bench:
    cargo bench --workspace

# Take the new outputs of snapshot tests.
bless:
    INSTA_UPDATE=always cargo test --workspace
