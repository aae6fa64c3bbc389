"""The whole daemon on a virtual clock, network and disk, against a server that keeps a ledger.

A scenario is a few lines, a seed makes the same run again, and a run that goes wrong tells its story:

    run = play(
        Scenario(
            meetings=(Meeting(minutes=10),),
            manners=Manners(rebind="ignore", unit="s", record_lag_s=(-1, 3)),
            faults=(
                At(2 * MINUTE, Disconnect("reset", away="dns", seconds=30)),
                At(5 * MINUTE, Kill(restart_s=5)),
                At(6 * MINUTE, Sleep(3 * MINUTE)),
            ),
            options={"MAX_BACKOFF": "30s"},
        ),
        seed=7,
    )
    check(run, "live only")  # or "everything": raises AssertionError with the timeline

    cd tests && python -m faults.simulation.story --seed 7 --mode ignore [--shrink]

plays and tells a storm, which is a scenario that is thrown from a seed.
`scripts/test tests/faults/simulation --seeds 200` plays many.

What is real: the daemon, asyncio, websockets, httpx2. What is not, from the bottom up:

    world       time, what is due, dice, the story
    kernel      the system calls of a simulated process: clocks, files, locks, signals; no thread, no blocking socket
    disk        files in memory; they outlive processes, run out of room, and can refuse or kill at any call
    network     links that fail and bytes that come late, behind `create_connection` and `getaddrinfo`
    loop        asyncio's loop, on a selector that lets the world go on instead of waiting
    machine     a computer that sleeps and whose clock is wrong; processes that are killed and leave nothing behind
    ledger, api, realtime, service     the server: what it knows, its REST and WebSocket side; shares no code with ours
    meeting     what is recorded
    faults      what can strike; each says what it has really done
    scenario    puts all this together; `storm` throws scenarios
    product     the only module that knows the product, and what it can be held to today
    evidence, oracle, liveness, honesty     what the daemon has left, judged by the ledger alone
    story       the run as a timeline

A new fault is a frozen dataclass in `faults` with a `strike`; it calls `strike.fire(what)` when it has bitten and
`strike.over()` when it has ended, or the run fails because it has not come true.
"""
