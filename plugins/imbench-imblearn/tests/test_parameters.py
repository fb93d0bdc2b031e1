"""Parameters are the sampler's own, judged when the strategy is made."""

import pickle

import pytest
from imbench_imblearn.samplers import samplers
from imbench_imblearn.strategy import Imblearn

import imbench


def test_the_sampler_is_always_named():
    assert imbench.strategy("imblearn").spec == "imblearn:sampler=SMOTE"


@pytest.mark.parametrize("name", samplers())
def test_every_sampler_survives_the_way_to_text_and_back(name):
    strategy = imbench.strategy(f"imblearn:sampler={name}")
    again = imbench.strategy(strategy.spec)
    assert strategy == again == pickle.loads(pickle.dumps(strategy))
    assert hash(strategy) == hash(again)
    assert strategy.params == {"sampler": name}


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("imblearn:k_neighbors=3,sampler=BorderlineSMOTE", "imblearn:sampler=BorderlineSMOTE,k_neighbors=3"),
        ("imblearn:sampler=SMOTE,k_neighbors=5", "imblearn:sampler=SMOTE"),
        ("imblearn:sampler=RandomOverSampler,shrinkage=1", "imblearn:sampler=RandomOverSampler,shrinkage=1.0"),
        ("imblearn:sampler=SMOTE,sampling_strategy=1", "imblearn:sampler=SMOTE,sampling_strategy=1.0"),
        (
            "imblearn:replacement=TRUE,sampler=RandomUnderSampler",
            "imblearn:sampler=RandomUnderSampler,replacement=true",
        ),
        ("imblearn:sampler=TomekLinks,sampling_strategy=0+2", "imblearn:sampler=TomekLinks,sampling_strategy=0+2"),
        ("imblearn:sampler=TomekLinks,sampling_strategy=0", "imblearn:sampler=TomekLinks,sampling_strategy=0"),
        ("imblearn:sampler=KMeansSMOTE,cluster_balance_threshold=0.1,kmeans_estimator=4", "same"),
        ("imblearn:sampler=NearMiss,version=2", "same"),
        ("imblearn:sampler=OneSidedSelection,n_neighbors=none", "imblearn:sampler=OneSidedSelection"),
    ],
)
def test_specs_of_one_meaning_are_one_strategy(spec, canonical):
    strategy = imbench.strategy(spec)
    assert strategy.spec == (spec if canonical == "same" else canonical)
    assert imbench.strategy(strategy.spec) == strategy


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sampler=SMOOTE", "sampler must be one of imbalanced-learn's, got 'SMOOTE'; did you mean SMOTE"),
        ("sampler=smote", "did you mean SMOTE"),
        ("sampler=Zzzz", "there are ADASYN"),
        ("k_neighbours=3", "SMOTE has no parameter 'k_neighbours'; did you mean k_neighbors"),
        ("kind=borderline-2", "SMOTE has no parameter 'kind'; there are sampler, sampling_strategy, k_neighbors"),
        ("k_neighbors=0", r"SMOTE.k_neighbors cannot be 0: .*must be an int in the range \[1, inf\).*default is 5"),
        ("k_neighbors=2.5", "SMOTE.k_neighbors cannot be 2.5"),
        ("sampling_strategy=1.5", r"SMOTE.sampling_strategy cannot be 1.5: .*range \(0.0, 1.0\]"),
        ("sampler=BorderlineSMOTE,kind=third", "BorderlineSMOTE.kind cannot be 'third'"),
        ("random_state=3", "SMOTE.random_state cannot be set, got 3; chance comes from the run's own random streams"),
        ("sampler=TomekLinks,n_jobs=2", "TomekLinks.n_jobs cannot be set, got 2; imbench spreads work"),
        ("sampler=SMOTEENN,smote=SMOTE", "SMOTEENN.smote cannot be 'SMOTE': .*takes an object.*leave it out"),
        ("sampler=SVMSMOTE,svm_estimator=SVC", "takes an object, which a spec cannot express"),
        ("sampler=SMOTENC,categorical_features=1", "they come from the dataset's feature kinds"),
        ("sampler=RandomUnderSampler,replacement=yes", "replacement cannot be 'yes'"),
        ("sampling_strategy=nan", "must be a finite number"),
    ],
)
def test_a_bad_parameter_names_the_thing_the_value_and_the_fix(spec, message):
    with pytest.raises(imbench.UsageError, match=message):
        imbench.strategy(f"imblearn:{spec}")


def test_options_may_be_a_mapping():
    assert Imblearn("SMOTE", {"k_neighbors": 3}) == imbench.strategy("imblearn:sampler=SMOTE,k_neighbors=3")
