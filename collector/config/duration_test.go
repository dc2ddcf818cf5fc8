package config

import (
	"testing"
	"time"
)

func TestShortDurationsHaveNoEmptyUnitsAtTheirEndAndAreTheSame(t *testing.T) {
	for _, want := range []string{"0s", "1m", "10m", "30m", "1m30s", "30s", "1h", "1h30m", "10h", "24h", "1h0m10s", "8784h"} {
		d, err := time.ParseDuration(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := Duration(d).Short(); got != want {
			t.Errorf("%s is written %s", want, got)
		}
	}
}
