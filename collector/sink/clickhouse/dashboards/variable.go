package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

// variable is what a dashboard's reader chooses at its top.
type variable struct {
	name, label string
	// query asks for the values, each as "what is shown|value".
	query string
	// one says that exactly one of them is chosen, rather than some or all.
	one bool
	// text is a free one: a filter that is off while it is empty.
	text bool
}

// everything is the value of "All" in a list of strings; no address, name or number is like it.
const everything = "'all'"

var (
	dataSource = variable{name: "datasource", label: "Data source"}
	resolution = variable{name: "resolution", label: "Resolution"}

	exporters = variable{name: "exporter", label: "Exporter", query: exporterNames}
	exporter  = variable{name: "exporter", label: "Exporter", query: exporterNames, one: true}

	interfaces = variable{name: "interface", label: "Interface", one: true, query: `
SELECT DISTINCT concat(if(interface_name = '', concat('interface ', toString(interface)), interface_name), '|', toString(interface))
FROM {interfaces_5m} WHERE time >= $__fromTime - INTERVAL 5 minute AND time <= $__toTime AND interface != 0 AND ` + ofExporter + `
ORDER BY 1 LIMIT 5000`}
)

var exporterNames = `
SELECT DISTINCT concat(if(exporter_name = '', address, concat(exporter_name, ' (', address, ')')), '|', toString(sampler_address))
FROM (SELECT exporter_name, sampler_address, ` + samplerAddress + ` AS address FROM {protocols_5m}
WHERE time >= $__fromTime - INTERVAL 5 minute AND time <= $__toTime) ORDER BY 1 LIMIT 5000`

func (v variable) build(tables clickhouse.Tables) cog.Builder[dashboard.VariableModel] {
	switch {
	case v.name == dataSource.name:
		return dashboard.NewDatasourceVariableBuilder(v.name).Label(v.label).Type(plugin)
	case v.name == resolution.name: // which of the tables of a roll-up
		return dashboard.NewCustomVariableBuilder(v.name).Label(v.label).
			Description("Roll-ups of 1 minute, or those of 5, which are kept for longer").
			Values(dashboard.StringOrMap{String: cog.ToPtr("1m,5m")}).
			Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{String: cog.ToPtr("1m")},
				Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("1m")}})
	case v.text:
		return dashboard.NewTextBoxVariableBuilder(v.name).Label(v.label)
	}
	b := dashboard.NewQueryVariableBuilder(v.name).Label(v.label).Datasource(source).
		Query(dashboard.StringOrMap{String: cog.ToPtr(in(tables, v.query))}).
		Regex("/^(?<text>.*)\\|(?<value>[^|]*)$/").
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged)
	if v.one {
		return b
	}
	return b.Multi(true).IncludeAll(true).AllValue(everything).
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}})
}
