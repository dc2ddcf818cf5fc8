package template

import "testing"

// What the bucket has of an exporter is asked for once, and not again because of what the answer brought.
func TestAnExporterIsMissedUntilWhatTheBucketHasOfItWasRead(t *testing.T) {
	var a Absent[int]
	for n := range 4 {
		a.Leave(n)
	}
	for n := range 3 {
		a.Heard(n)
		a.Heard(n)
	}
	a.Found(func(n int) bool { return n == 1 })
	missed := a.Missed(10)
	if len(missed) != 2 || missed[0]+missed[1] != 0+2 {
		t.Errorf("missed are %v", missed)
	}
	a.Heard(3)
	if missed := a.Missed(10); len(missed) != 1 || missed[0] != 3 || len(a.Missed(10)) != 0 {
		t.Errorf("missed are %v", missed)
	}
}

// Each listing refuses those that are dead: however many, they take no place of one that made room.
func TestThoseThatFindNoRoomTakeNoPlaceOfOnesThatMadeIt(t *testing.T) {
	var a Absent[int]
	const left = 100
	for n := range left {
		a.Leave(n)
	}
	for n := range 2 * maxAbsent {
		if a.Refuse(n) != (n >= left) {
			t.Fatalf("%d is new or not", n)
		}
	}
	if len(a.refused) > maxAbsent {
		t.Errorf("%d are known that found no room", len(a.refused))
	}
	for n := range left {
		a.Heard(n)
	}
	if missed := a.Missed(2 * left); len(missed) != left {
		t.Errorf("%d of %d are missed", len(missed), left)
	}
}
