"""The benchmarks run; what they measure is not tested here."""

from benchmarks import carried_state, literal_sharpening


def test_literal_sharpening_runs_both_forms(monkeypatch, capsys):
    for name in ("sharpen", "address_slopes", "address_gradient"):
        monkeypatch.setattr(literal_sharpening.addressing, name, getattr(literal_sharpening.addressing, name))
    literal_sharpening.main(["--max-length=2", "--iterations=5", "--seeds=1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["pow and divide", "softmax of log"]
    # On weightings that neither form loses, both train alike.
    assert lines[0].partition(":")[2] == lines[1].partition(":")[2]


def test_carried_state_goes_from_one_sequence_into_the_next(monkeypatch):
    monkeypatch.setattr(carried_state.experiment, "NTM", carried_state.CarryingNTM)
    config = carried_state.experiment.default_config(preset="reference")
    config["model"] |= {"controller_units": 5, "memory_locations": 7, "memory_width": 4}
    trainer = carried_state.experiment.build_trainer(config)
    assert not any(variable.numpy().any() for variable in trainer.model.carried)
    assert trainer.advance(3)
    assert all(variable.numpy().any() for variable in trainer.model.carried)
