"""The controllers, re-exported from ntm.controller."""

from ntm.controller import FeedforwardController, LSTMController

__all__ = ["FeedforwardController", "LSTMController"]
