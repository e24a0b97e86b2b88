# The user's own bash settings, and then the workspace's environment in front again.
[ ! -r ~/.bashrc ] || . ~/.bashrc
[ -z "$GPUWS_PREFIX" ] || PATH=$GPUWS_PREFIX/bin:$PATH
