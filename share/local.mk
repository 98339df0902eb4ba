# For those who watch: alert rules for Prometheus, a dashboard for Grafana.
weirsharedir = $(datadir)/weir
dist_weirshare_DATA = share/weir-alerts.yml share/weir-alerts-test.yml share/weir-dashboard.json
