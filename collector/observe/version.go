// Package observe is what operators see of a collector: metrics, health and profiles over HTTP.
package observe

import "runtime/debug"

// version is set by the linker for releases.
var version = ""

// Version of this program: the release, or the revision it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
