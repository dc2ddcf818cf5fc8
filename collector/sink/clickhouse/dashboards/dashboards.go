// Package dashboards draws the tables of flows in Grafana: dashboards as data, and the JSON that Grafana imports or its sidecar reads.
// Their data source is ClickHouse's own plugin (grafana-clickhouse-datasource, version 4), whose macros the statements use.
package dashboards

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

// Dashboard is one that Grafana imports.
type Dashboard struct {
	// Name is a part of its identifier in Grafana, and stays the same from version to version.
	Name  string
	Title string
	// JSON is the dashboard as Grafana reads it.
	JSON []byte
}

// board is a dashboard as data.
type board struct {
	name, title, description string
	// variables that its panels use, beside the data source and the resolution.
	variables []variable
	panels    []panel
}

var boards = []board{overview, oneInterface, applications, protocols, autonomousSystems, prefixes, oneExporter, conversations, completeness}

// All returns the dashboards over tables, whose names must be ones that Tables.Check accepts: over those of all shards where they are on a cluster.
func All(tables clickhouse.Tables) ([]Dashboard, error) {
	out := make([]Dashboard, 0, len(boards))
	for _, b := range boards {
		built, err := b.build(tables)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.name, err)
		}
		content, err := json.MarshalIndent(built, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.name, err)
		}
		out = append(out, Dashboard{Name: b.name, Title: b.titleOver(tables.Database), JSON: append(content, '\n')})
	}
	return out, nil
}

// Files are the dashboards by the names of their files, as a ConfigMap for Grafana's sidecar has them.
func Files(all []Dashboard) map[string]string {
	files := make(map[string]string, len(all))
	for _, d := range all {
		files["flowfleet-"+d.Name+".json"] = string(d.JSON)
	}
	return files
}

// Names of all dashboards.
func Names() []string {
	var out []string
	for _, b := range boards {
		out = append(out, b.name)
	}
	return out
}

// build makes the classic form: sidecars and every Grafana since 9 read it, and the later one (v2) only Grafana 12 and its API.
func (b board) build(tables clickhouse.Tables) (dashboard.Dashboard, error) { //nolint:staticcheck // see above
	//nolint:staticcheck // see above
	d := dashboard.NewDashboardBuilder(b.titleOver(tables.Database)).Uid(b.identifier(tables.Database)).Description(b.description).
		Tags([]string{"flowfleet"}).Time("now-6h", "now").Refresh("1m").Timezone("browser").Readonly().
		Link(dashboard.NewDashboardLinkBuilder("Flowfleet").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"flowfleet"}).
			AsDropdown(true).IncludeVars(true).KeepTime(true))
	for _, v := range slices.Concat([]variable{dataSource, resolution}, b.variables) {
		d.WithVariable(v.build(tables))
	}
	for _, p := range b.panels {
		d.WithPanel(p.build(tables))
	}
	return d.Build()
}

// identifier is Grafana's "uid", of at most 40 characters: the dashboards of two databases stand side by side.
func (b board) identifier(database string) string {
	name := "flowfleet-" + b.name
	if database != clickhouse.DefaultTables.Database {
		sum := sha256.Sum256([]byte(database))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	return name
}

func (b board) titleOver(database string) string {
	if database != clickhouse.DefaultTables.Database {
		return b.title + " (" + database + ")"
	}
	return b.title
}

// in puts the names of tables into a statement, which has them as "{flows}".
func in(tables clickhouse.Tables, statement string) string {
	return tableName.ReplaceAllStringFunc(strings.TrimSpace(statement), func(name string) string {
		if name = name[1 : len(name)-1]; name == "completeness" { // which reads all shards itself
			return tables.Database + "." + name
		}
		return tables.Whole(name)
	})
}
