package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTailSaysThatItWaitsWhereNoFlowComes(t *testing.T) {
	for name, test := range map[string]struct {
		flowAfter time.Duration
		says      bool
	}{
		"a flow comes soon": {quietAfter / 2, false},
		"none comes":        {2 * quietAfter, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			heard := sayWhenQuiet(&out)
			time.Sleep(test.flowAfter)
			synctest.Wait()
			heard()
			time.Sleep(2 * quietAfter)
			synctest.Wait()
			if says := strings.Contains(out.String(), "no flow in 10s"); says != test.says {
				t.Errorf("%s: it says %q", name, out.String())
			}
		})
	}
}
