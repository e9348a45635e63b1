import time,sys
from tests.scheduler.protocol.model import *
from tests.scheduler.protocol.promises import PROMISES
from tests.scheduler.protocol.explorer import Explorer
LINE=(("a",),("b",)); FAN=(("a","b"),("c",)); PAIR=(("a","b"),)
for name,p in {
 "line1":Protocol(LINE,max_runs=1),"line":Protocol(LINE),
 "pair 1":Protocol(PAIR,max_runs=1),

 "single handled":Protocol((("a",),),handled=frozenset("a"),max_runs=2),
}.items():
    t=time.time(); e=Explorer(p,PROMISES).explore(); print(name, round(time.time()-t,2), e, flush=True)
