"""How often detection is right: fences and crashes against traffic whose truth is known. `python -m bench.truth`.

    traffic     cars that drive: SUMO on generated networks, one second a step; or, for tests, streets of its own
    places      fences laid on a network, and by a rule stated there: which crossings of them count
    pulses      what an accelerometer feels in a crash, and in what only feels like one
    accidents   crashes and their confounders, put into the traffic
    noise       what a terminal makes of it all: REPORT rows in the order of their arrival
    evaluate    detection judges them; what it said is matched with what was

Thresholds are tuned on the tuning networks only. The held-out networks are of other kinds and seeds.
"""
