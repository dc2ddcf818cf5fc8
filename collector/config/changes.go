package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// livePaths are the sections that take effect without a restart.
var livePaths = []string{
	"exporters.allowedNetworks", "exporters.sampling", "exporters.limits", "exporters.heldData", "exporters.names",
	"exporters.namesFile", "exporters.namePreference", "exporters.devices", "log.level",
}

// Changes compares two configurations and returns the paths that differ: those that take effect at once, and those that
// need a restart.
func Changes(before, after *Config) (live, restart []string) {
	for _, path := range differences(reflect.ValueOf(*before), reflect.ValueOf(*after), "") {
		if slices.ContainsFunc(livePaths, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") }) {
			live = append(live, path)
		} else {
			restart = append(restart, path)
		}
	}
	return live, restart
}

func differences(a, b reflect.Value, path string) []string {
	if a.Kind() != reflect.Struct || a.NumField() == 0 || a.Type().Field(0).Tag.Get("json") == "" {
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return nil
		}
		return []string{path}
	}
	var out []string
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		out = append(out, differences(a.Field(i), b.Field(i), join(path, name))...)
	}
	return out
}

// TakeLive returns before with what can change live taken from after.
func TakeLive(before, after *Config) *Config {
	out := *before
	scope := out.Exporters.TemplateScope
	out.Exporters = after.Exporters
	out.Exporters.TemplateScope = scope
	out.Log.Level = after.Log.Level
	return &out
}

// Render writes c as a file that Parse reads back.
func Render(c *Config) ([]byte, error) {
	b, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("rendering the configuration: %w", err)
	}
	return b, nil
}

// Hash is a short text that changes with what needs a restart, and with nothing else. Who compares hashes from several
// machines takes them before SetDefaults, which fills in the host's name and its number of processors.
func (c *Config) Hash() string {
	fixed := *c
	fixed.Exporters = Exporters{TemplateScope: c.Exporters.TemplateScope}
	fixed.Log.Level = ""
	b, err := json.Marshal(fixed)
	if err != nil {
		panic(fmt.Sprintf("config: a configuration cannot be marshalled: %v", err)) // its types all can
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
