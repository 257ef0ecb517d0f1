"""Those who keep what services say: svlogd, log directories, patterns."""
