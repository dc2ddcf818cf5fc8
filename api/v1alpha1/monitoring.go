package v1alpha1

// Monitoring makes objects for Prometheus and Grafana. If the cluster does not have the kind of an object, that object is not made,
// and the condition MonitoringReady says so.
type Monitoring struct {
	// podMonitor makes a PodMonitor (monitoring.coreos.com/v1).
	// +optional
	PodMonitor PodMonitor `json:"podMonitor,omitzero"`

	// prometheusRule makes a PrometheusRule (monitoring.coreos.com/v1) with alerts.
	// +optional
	PrometheusRule PrometheusRule `json:"prometheusRule,omitzero"`

	// dashboards makes a ConfigMap with a Grafana dashboard of this fleet, for Grafana's sidecar. The chart has a dashboard for all
	// fleets of the cluster (metrics.dashboard.enabled).
	// +optional
	Dashboards Dashboards `json:"dashboards,omitzero"`
}

// PodMonitor makes Prometheus read the collectors' metrics.
type PodMonitor struct {
	// enabled makes the object. Default false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// labels by which Prometheus selects the object.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// interval between scrapes, such as 30s, from 1s to 24h. Default: Prometheus' own.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="monitoring.podMonitor.interval: from 1s to 24h is possible"
	Interval string `json:"interval,omitempty"`
}

// PrometheusRule has alerts on losses, on a ledger that does not balance, and on collectors that are not ready.
type PrometheusRule struct {
	// enabled makes the object. Default false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// labels by which Prometheus selects the object.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// Dashboards makes a ConfigMap with Grafana dashboards.
type Dashboards struct {
	// enabled makes the object. Default false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// labels by which Grafana's sidecar selects the ConfigMap. Default: grafana_dashboard: "1".
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}
