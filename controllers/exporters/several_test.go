package exporters

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// An IPv6 address can be written in many ways, and an IPv4 address as one of IPv6: what comes from it counts once.
func TestAnAddressThatIsWrittenTwiceCountsOnce(t *testing.T) {
	now := time.Now()
	m := newMemory()
	m.look = Look{Since: now.Add(-time.Hour), Collectors: 1}
	for text, addresses := range map[string][]v1alpha1.ExporterAddress{
		"192.0.2.1":   {"192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:0201"},
		"2001:db8::1": {"2001:db8::1", "2001:DB8:0:0::1"},
	} {
		address, _ := parse(text)
		f := &Figures{Received: 10, Records: 10, Sequences: 1, Sent: 10, Units: 10}
		f.init()
		m.senders[address] = &sender{figures: f, heard: now}
		got := m.facts(&v1alpha1.FlowExporter{Spec: v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: addresses}}, now, now)
		if got.Figures.Records != 10 || got.Figures.Sequences != 1 || got.Figures.Sent != 10 {
			t.Errorf("%v: %+v", addresses, got.Figures)
		}
	}
}

// The rate of a device is that of its addresses together, also of one that joined a minute ago.
func TestTheRateOfSeveralAddressesIsTheSumOfTheirs(t *testing.T) {
	all := &Window{Time: 5 * time.Minute, Records: 3000, Sent: 3000, Missed: 30}
	all.add(&Window{Time: time.Minute, Records: 600, Sent: 600, Missed: 6})
	s := v1alpha1.FlowExporterStatus{}
	figures(&s, &Facts{Figures: &Figures{}, Window: all, Look: Look{Collectors: 1}})
	if s.RecordsPerSecond == nil || *s.RecordsPerSecond != 20 || s.Loss != "1.00%" {
		t.Errorf("10 and 10 records a second, of which one percent is missing, are %v, %s", *s.RecordsPerSecond, s.Loss)
	}
}

// A device that has stopped has no rate: what it had while it sent is not left to stand.
func TestTheRateOfADeviceThatStoppedIsNoughtAndThatIsWritten(t *testing.T) {
	now := time.Now()
	heard := metav1.NewTime(now.Add(-20 * time.Minute).Truncate(time.Minute))
	o := &v1alpha1.FlowExporter{Spec: v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"},
		SilentAfter: "1h"}} // one that is called silent has no rate at all
	o.Status = Judge(&Facts{Now: now, Exporter: o, LastHeard: heard.Time, Look: Look{Since: now.Add(-time.Hour), Collectors: 1},
		Figures: &Figures{Records: 1000}, Window: &Window{Time: 5 * time.Minute}})
	o.Status.RecordsPerSecond, o.Status.BytesPerSecond, o.Status.ScaledBytesPerSecond = new(int64(780)), new(int64(1)), new(int64(1))
	for name, f := range map[string]*Facts{
		"its collector still has its books":  {Figures: &Figures{Records: 1000}, Window: &Window{Time: 5 * time.Minute}},
		"its collector was replaced":         {Figures: &Figures{Records: 1000}},
		"nobody has anything of it any more": {},
	} {
		f.Now, f.Exporter, f.LastHeard, f.Look = now, o, heard.Time, Look{Since: now.Add(-time.Hour), Collectors: 1}
		after := Judge(f)
		if after.RecordsPerSecond == nil || *after.RecordsPerSecond != 0 || after.BytesPerSecond != nil && *after.BytesPerSecond != 0 ||
			after.ScaledBytesPerSecond != nil && *after.ScaledBytesPerSecond != 0 || after.Loss != "" || weigh(&o.Status, &after) == nothing {
			t.Errorf("%s: %+v", name, after)
		}
		if again := *after.DeepCopy(); weigh(&after, &again) != nothing {
			t.Errorf("%s: it is written again", name)
		}
	}
	// One collector does not answer, or none has been asked for long enough: nobody knows.
	for _, look := range []Look{{Since: now.Add(-time.Hour), Collectors: 2, Unanswered: 1}, {Since: now.Add(-10 * time.Second), Collectors: 1}, {Since: now.Add(-time.Hour)}} {
		if after := Judge(&Facts{Now: now, Exporter: o, LastHeard: heard.Time, Look: look}); *after.RecordsPerSecond != 780 {
			t.Errorf("%+v: %d records a second", look, *after.RecordsPerSecond)
		}
	}
}
