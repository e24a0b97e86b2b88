"""The generated channels, for the tests of what makes and reads them."""

from tests.support.conda_fixtures import conda_cache, conda_channel, conda_jupyter_channel

__all__ = ["conda_cache", "conda_channel", "conda_jupyter_channel"]
