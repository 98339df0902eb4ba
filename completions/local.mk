# Where bash-completion looks for what completes a command of this name.

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/weir
