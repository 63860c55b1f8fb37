"""The controllers: the front door to ntm.controller."""

from ntm.controller import FeedforwardController, LSTMController

__all__ = ["FeedforwardController", "LSTMController"]
