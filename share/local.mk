# For those who watch: alert rules for Prometheus, a dashboard for Grafana.
weirdatadir = $(datadir)/weir
dist_weirdata_DATA = share/weir-alerts.yml share/weir-alerts-test.yml share/weir-dashboard.json
