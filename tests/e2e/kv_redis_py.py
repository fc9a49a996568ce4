# SPDX-License-Identifier: MIT
"""kv_redis_py.py PORT: what a program says that uses redis-py. Run by the system's Python, which has Debian's package."""

import sys
import time

import redis

db = redis.Redis(port=int(sys.argv[1]), client_name="test", decode_responses=True, db=0)
assert db.ping() and db.client_getname() == "test" and db.client_id() > 0
assert db.echo("hello") == "hello"
assert db.set("a", "one") and db.get("a") == "one" and db.get("b") is None and db.exists("a", "b") == 1
assert db.set("a", "two", nx=True) is None and db.set("c", "x", ex=100) and 99 <= db.ttl("c") <= 100
assert db.incr("n") == 1 and db.incrby("n", 10) == 11 and db.decrby("n", 4) == 7 and db.decr("n") == 6
assert db.mset({"x": "1", "y": "2"}) and db.mget("x", "none", "y") == ["1", None, "2"]
assert db.setnx("x", "9") is False and db.strlen("a") == 3 and db.type("a") == "string" and db.type("none") == "none"
assert db.expire("x", 50) and db.persist("x") and db.ttl("x") == -1 and db.pexpire("y", 1)
while db.exists("y"):
    time.sleep(0.01)
with db.pipeline(transaction=True) as pipe:
    pipe.set("p", 1)
    pipe.incrby("p", 41)
    pipe.get("p")
    pipe.mget(["p", "none"])
    assert pipe.execute() == [True, 42, "42", ["42", None]]
with db.pipeline(transaction=False) as pipe:
    for i in range(200):
        pipe.set(f"key-{i}", i)
    assert all(pipe.execute())
assert sorted(db.scan_iter(match="key-1?")) == [f"key-1{i}" for i in range(10)]
assert db.info()["redis_version"] and db.dbsize() >= 200 and db.config_get("save") == {"save": ""}
for bad in (lambda: redis.Redis(port=int(sys.argv[1]), db=3).ping(), lambda: db.execute_command("LPUSH", "l", 1),
            lambda: db.execute_command("HELLO", "3"), lambda: db.execute_command("EXEC")):
    try:
        bad()
    except redis.ResponseError:
        pass
    else:
        raise AssertionError("no error")
assert db.unlink("a") == 1 and db.flushdb() and db.dbsize() == 0
print("fine")
