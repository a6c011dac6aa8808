"""Job registries of other makers, used through whatever their ABI offers."""
