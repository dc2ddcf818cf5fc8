package controllers

import (
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Select limits the FlowCollectors that are looked after to those whose labels fit: the others are not even read. One whose labels fit
// no more is left as it is, with all that was made for it.
func Select(o *cache.Options, s labels.Selector) {
	if !s.Empty() {
		o.ByObject[&v1alpha1.FlowCollector{}] = cache.ByObject{Label: s}
	}
}
