package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

// kind is how a panel shows what it asks for.
type kind int

const (
	graph   kind = iota // columns: bucket, a name (or none), a number
	rows                // a table
	figures             // one row, whose columns are figures
)

// panel is one statement, and how its answer is shown.
type panel struct {
	title, description string
	kind               kind
	// unit of its numbers as Grafana names it ("bps", "decbytes", "percentunit"); that of the column "bytes" of a table is known.
	unit string
	// width in columns, of which a dashboard has 24; height in Grafana's rows.
	width, height uint32
	query         string
}

// builder is what the panels of all kinds have in common.
type builder[B any] interface {
	Title(string) B
	Description(string) B
	Datasource(common.DataSourceRef) B
	Span(uint32) B
	Height(uint32) B
	Interval(string) B
	WithTarget(cog.Builder[variants.Dataquery]) B
	cog.Builder[dashboard.Panel]
}

// common fills in what all kinds have. A point stands for no less than a row of the roll-up.
func fill[B builder[B]](b B, p panel, tables clickhouse.Tables) B {
	return b.Title(p.title).Description(p.description).Datasource(source).Span(p.width).Height(p.height).Interval("${resolution}").
		WithTarget(target(p.kind, in(tables, p.query)))
}

func (p panel) build(tables clickhouse.Tables) cog.Builder[dashboard.Panel] {
	switch p.kind {
	case rows:
		return fill(table.NewPanelBuilder(), p, tables).Filterable(true).
			OverrideByRegexp("bytes.*", unit("decbytes")).OverrideByRegexp("share.*", unit("percentunit")).
			OverrideByRegexp("packets.*|flows.*", unit("short"))
	case figures:
		return fill(stat.NewPanelBuilder(), p, tables).Unit(p.unit).ColorMode(common.BigValueColorModeNone).
			GraphMode(common.BigValueGraphModeNone).ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
	default:
		return fill(timeseries.NewPanelBuilder(), p, tables).Unit(p.unit).Min(0).FillOpacity(30).
			ShowPoints(common.VisibilityModeNever).
			Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)).
			Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
			Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).
				Placement(common.LegendPlacementRight).Calcs([]string{"mean", "max"}))
	}
}

func unit(name string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "unit", Value: name}}
}

const plugin = "grafana-clickhouse-datasource"

// source is the data source that the dashboard's reader has chosen.
var source = common.DataSourceRef{Type: cog.ToPtr(plugin), Uid: cog.ToPtr("${datasource}")}

// target asks the plugin for a statement's answer: format 0 is a series for each name, 1 a table.
func target(k kind, statement string) cog.Builder[variants.Dataquery] {
	format, queryType := 1, "table"
	if k == graph {
		format, queryType = 0, "timeseries"
	}
	return variants.NewUnknownDataqueryBuilderFromObject(variants.UnknownDataquery{
		"refId": "A", "datasource": source, "editorType": "sql", "format": format, "queryType": queryType, "rawSql": statement,
	})
}
