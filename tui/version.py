"""The version of Backstay: what is built is named by it, and `backstay --version` says it."""

VERSION = "0.1.0"
