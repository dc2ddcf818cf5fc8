package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

const (
	// kindInterval is how often a kind is looked for that is not installed, and kindRetry how soon again where the API server did not say.
	kindInterval = 30 * time.Second
	kindRetry    = 2 * time.Second
)

// whenInstalled begins with a kind of this project that fleets go on without: Helm leaves the definitions as they are when it upgrades, and a
// controller of a kind that is not there would end the operator. It begins at once where the kind is there, and otherwise, once the operator
// works, when it has come.
func whenInstalled(manager ctrl.Manager, name, missed string, interval time.Duration, begin func() error) error {
	kind := v1alpha1.SchemeGroupVersion.WithKind(name)
	there, err := installed(manager, kind)
	if there {
		return begin()
	}
	log := manager.GetLogger()
	told := false
	tell := func(err error) {
		if err == nil && !told {
			told = true
			log.Info("the kind "+name+" is not installed: "+missed+". Install all definitions of this version; the operator begins with it by itself then",
				"definition", kind.Group+"/"+kind.Version+" "+kind.Kind)
		}
	}
	tell(err)
	return manager.Add(later(func(ctx context.Context) error {
		for {
			pause := interval
			if err != nil {
				pause = min(kindRetry, interval)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait.Jitter(pause, 0.2)):
			}
			if there, err = installed(manager, kind); there {
				if told {
					log.Info("the kind " + name + " is installed now")
				}
				return begin()
			}
			tell(err)
		}
	}))
}

// installed reports whether the cluster has a kind, or an error where the API server does not say.
func installed(manager ctrl.Manager, kind schema.GroupVersionKind) (bool, error) {
	_, err := manager.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	switch {
	case meta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for the kind %s: %w", kind.Kind, err)
	}
	return true, nil
}

// later is a function that may fail, and runs once the operator works.
type later func(context.Context) error

// Start implements manager.Runnable.
func (f later) Start(ctx context.Context) error { return f(ctx) }
