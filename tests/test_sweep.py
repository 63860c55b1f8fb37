"""Sweeps on Dask workers. The scripts that they run stand in for train.py and evaluate.py."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from benchmarks import convergence, sweep
from commands import refused

TRAIN = """
import pathlib, sys, time
run_dir = pathlib.Path(sys.argv[-1].removeprefix("--run-dir="))
checkpoints = run_dir / "checkpoints"
checkpoints.mkdir(parents=True, exist_ok=True)
if "--resume" not in sys.argv:
    (run_dir / "config.json").write_text(sys.argv[1])
done = len(list(checkpoints.iterdir()))
with (run_dir / "starts").open("a") as file:
    file.write(f"{done}\\n")
for step in range(done, 20):
    time.sleep(0.1)
    (checkpoints / f"step-{step}").mkdir()
"""
EVALUATE = """
print('{"size": "20", "bit_errors_per_sequence": 1.0, "bits_per_sequence": 2.0, "least_bits_per_sequence": 0.0}')
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Makes `sweep` run the stand-ins in this process.

    Returns the code that makes a Dask worker run them, too. The worker runs this code at its start.
    """
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    monkeypatch.setattr(sweep, "ROOT", tmp_path)
    return f"import pathlib\nfrom benchmarks import sweep\nsweep.ROOT = pathlib.Path({str(tmp_path)!r})\n"


def test_a_run_goes_on_when_its_worker_is_killed(scripts, tmp_path):
    distributed = pytest.importorskip("distributed")
    jobs = [
        sweep.Job(run_dir=tmp_path / "runs" / f"seed-{seed}", seed=seed, options=("--x=1",), sequences=5)
        for seed in (0, 1)
    ]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, preload=[scripts]
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(
            target=lambda: (wait_for_snapshot(jobs[0]), os.kill(victim, signal.SIGKILL)), daemon=True
        )
        killer.start()
        assert {job.seed for job in sweep.finished(jobs, 1, client, snapshot_seconds=0.3)} == {0, 1}
        killer.join()
        # The scheduler must keep no result: if the worker with the result died, Dask would train the job again.
        begin = time.monotonic()
        while kept := client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks]):
            assert time.monotonic() < begin + 10, kept
    starts = []
    for job in jobs:
        assert json.loads((job.run_dir / "errors.json").read_text())["wrong_bits_20"] == 1
        assert (job.run_dir / "config.json").read_text() == "--x=1"
        assert len(list((job.run_dir / "checkpoints").iterdir())) == 20
        starts.append([int(line) for line in (job.run_dir / "starts").read_text().splitlines()])
    (whole, continued) = sorted(starts, key=len)
    assert whole == [0] and continued[0] == 0 and 0 < continued[1] < 20


def wait_for_snapshot(job):
    while not list(job.run_dir.glob("checkpoints/*")):
        time.sleep(0.05)


def test_a_failed_job_is_reported(scripts, tmp_path):
    (tmp_path / "train.py").write_text("import sys; sys.exit('train.py: error: no')")
    job = sweep.Job(run_dir=tmp_path / "runs" / "seed-0", seed=0, options=(), sequences=5)
    with pytest.raises(sweep.JobError, match="error: no") as caught:
        list(sweep.finished([job], 1))
    assert caught.value.job == job


def test_a_scheduler_that_cannot_be_used_is_refused(tmp_path, monkeypatch, capsys):
    arguments = ["--scheduler=tcp://127.0.0.1:9", f"--dir={tmp_path}"]
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "Dask is not installed" in refused(capsys, convergence.main, *arguments)
    monkeypatch.undo()
    pytest.importorskip("distributed")
    monkeypatch.setattr(sweep, "_CONNECT_SECONDS", 1)
    assert "tcp://127.0.0.1:9 cannot be reached" in refused(capsys, convergence.main, *arguments)
    assert "nonsense:// cannot be reached" in refused(capsys, convergence.main, "--scheduler=nonsense://", arguments[1])
