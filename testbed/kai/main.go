// Runs cycles of the KAI scheduler on snapshots: one in JSON per line of the input, what the cycles decided per line of
// the output. It is compiled within a checkout of the scheduler and uses its cache, its session and its actions as they
// are; only the API server is a fake that holds what the snapshot does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientfeatures "k8s.io/client-go/features"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	kaifake "github.com/kai-scheduler/KAI-scheduler/pkg/apis/client/clientset/versioned/fake"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/actions"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/api/queue_info"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/cache"
	usageapi "github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/cache/usagedb/api"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/conf_util"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/framework"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/log"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/metrics"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/plugins"
	"github.com/kai-scheduler/KAI-scheduler/pkg/scheduler/plugins/snapshot"
)

// place is where a pod stands after a cycle.
type place struct {
	Status string   `json:"status"`
	Node   string   `json:"node"`
	Groups []string `json:"groups"`
}

// outcome is what one cycle came to: pods by namespace and name, what queues are due of each resource by the metrics, and
// how long each action took.
type outcome struct {
	Pods   map[string]place              `json:"pods,omitempty"`
	Fair   map[string]map[string]float64 `json:"fair,omitempty"`
	Micros map[string]int64              `json:"micros,omitempty"`
	Error  string                        `json:"error,omitempty"`
}

// given is a snapshot with what queues used lately, which an instance reads from a data base and does not serve.
type given struct {
	snapshot.Snapshot
	Usage *queue_info.ClusterUsage `json:"usage"`
}

// GetResourceUsage answers as the data base would.
func (read *given) GetResourceUsage() (*queue_info.ClusterUsage, error) {
	return read.Usage, nil
}

func main() {
	times := flag.Int("times", 1, "cycles per snapshot, each from its start")
	flag.Parse()
	// Fake clients of some kinds wait for ever where lists are watched instead of read.
	if gates, ok := clientfeatures.FeatureGates().(interface {
		Set(clientfeatures.Feature, bool) error
	}); ok {
		_ = gates.Set(clientfeatures.WatchListClient, false)
	}
	if err := log.InitLoggers(0, false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log.InfraLogger.SetSessionID("testbed")
	actions.InitDefaultActions()
	plugins.InitDefaultPlugins()
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		outcomes := make([]outcome, 0, *times)
		for range *times {
			outcomes = append(outcomes, decided(line))
		}
		if err := output.Encode(outcomes); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// decided runs a cycle; what goes wrong in it is the outcome.
func decided(line []byte) (found outcome) {
	defer func() {
		if reason := recover(); reason != nil {
			found = outcome{Error: fmt.Sprint(reason)}
		}
	}()
	found, err := cycle(line)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	return found
}

func cycle(line []byte) (outcome, error) {
	var read given
	if err := json.Unmarshal(line, &read); err != nil {
		return outcome{}, err
	}
	kube, kai, err := clients(read.RawObjects)
	if err != nil {
		return outcome{}, err
	}
	params := read.SchedulerParams
	used := usageapi.UsageParams{}
	used.SetDefaults()
	sees := cache.New(&cache.SchedulerCacheParams{
		UsageDBClient: &read, UsageDBParams: &used,
		KubeClient: kube, KAISchedulerClient: kai, DiscoveryClient: kube.Discovery(),
		SchedulerName: params.SchedulerName, NodePoolParams: params.PartitionParams,
		RestrictNodeScheduling: params.RestrictSchedulingNodes, DetailedFitErrors: params.DetailedFitErrors,
		ScheduleCSIStorage: params.ScheduleCSIStorage, FullHierarchyFairness: params.FullHierarchyFairness,
		AllowConsolidatingReclaim:   params.AllowConsolidatingReclaim,
		NumOfStatusRecordingWorkers: params.NumOfStatusRecordingWorkers,
		StuckInReleasingThreshold:   params.StuckInReleasingThreshold,
	})
	stop := make(chan struct{})
	defer close(stop)
	sees.Run(stop)
	sees.WaitForCacheSync(stop)
	metrics.ResetQueueFairShare()
	session, err := framework.OpenSession(sees, read.Config, params, "", http.NewServeMux())
	if err != nil {
		return outcome{}, err
	}
	order, err := conf_util.GetActionsFromConfig(read.Config)
	if err != nil {
		return outcome{}, err
	}
	fair, err := shares()
	if err != nil {
		return outcome{}, err
	}
	found := outcome{Pods: map[string]place{}, Fair: fair, Micros: map[string]int64{}}
	for _, action := range order {
		log.InfraLogger.SetAction(string(action.Name()))
		begun := time.Now()
		action.Execute(session)
		found.Micros[string(action.Name())] = time.Since(begun).Microseconds()
	}
	for _, job := range session.ClusterInfo.PodGroupInfos {
		for _, task := range job.GetAllPodsMap() {
			found.Pods[task.Namespace+"/"+task.Name] = place{task.Status.String(), task.NodeName, task.GPUGroups}
		}
	}
	return found, nil
}

// shares returns what the scheduler tells of the fair shares of queues: by resource, and by queue.
func shares() (map[string]map[string]float64, error) {
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]float64{}
	for _, family := range families {
		_, resource, told := strings.Cut(family.GetName(), "queue_fair_share_")
		if !told {
			continue
		}
		found[resource] = map[string]float64{}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "queue_name" {
					found[resource][label.GetValue()] = metric.GetGauge().GetValue()
				}
			}
		}
	}
	return found, nil
}

func clients(raw *snapshot.RawKubernetesObjects) (*fake.Clientset, *kaifake.Clientset, error) {
	ctx, options := context.Background(), metav1.CreateOptions{}
	var plain []runtime.Object
	for _, pod := range raw.Pods {
		plain = append(plain, pod)
	}
	for _, node := range raw.Nodes {
		plain = append(plain, node)
	}
	for _, class := range raw.PriorityClasses {
		plain = append(plain, class)
	}
	kube, kai := fake.NewSimpleClientset(plain...), kaifake.NewSimpleClientset()
	// A pod that is deleted stays until its node says that it has ended; the fake would forget it at once, and the
	// scheduler would fail to evict the same pod for a second job of the cycle.
	kube.PrependReactor("delete", "pods", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	for _, queue := range raw.Queues {
		if _, err := kai.SchedulingV2().Queues(queue.Namespace).Create(ctx, queue, options); err != nil {
			return nil, nil, err
		}
	}
	for _, group := range raw.PodGroups {
		if _, err := kai.SchedulingV2alpha2().PodGroups(group.Namespace).Create(ctx, group, options); err != nil {
			return nil, nil, err
		}
	}
	for _, request := range raw.BindRequests {
		if _, err := kai.SchedulingV1alpha2().BindRequests(request.Namespace).Create(ctx, request, options); err != nil {
			return nil, nil, err
		}
	}
	for _, topology := range raw.Topologies {
		if _, err := kai.KaiV1alpha1().Topologies().Create(ctx, topology, options); err != nil {
			return nil, nil, err
		}
	}
	return kube, kai, nil
}
