/* SPDX-License-Identifier: MIT
 *
 * The references that methods paragraphs name. */
#include "model/cite.h"

const mucmm__source mucmm__sources[MUCMM__REFERENCES] = {
    {"andrew2013",
     "Andrew, Arora, Bilmes, Livescu (2013). Deep canonical correlation analysis. ICML.",
     "@inproceedings{andrew2013, author = {Andrew, Galen and Arora, Raman and Bilmes, Jeff and "
     "Livescu, Karen}, title = {Deep canonical correlation analysis}, booktitle = {International "
     "Conference on Machine Learning}, year = {2013}}"},
    {"benton2017",
     "Benton, Khayrallah, Gujral, Reisinger, Zhang, Arora (2017). Deep generalized canonical "
     "correlation analysis. arXiv:1702.02519.",
     "@misc{benton2017, author = {Benton, Adrian and Khayrallah, Huda and Gujral, Biman and "
     "Reisinger, Dee Ann and Zhang, Sheng and Arora, Raman}, title = {Deep generalized canonical "
     "correlation analysis}, note = {arXiv:1702.02519}, year = {2017}}"},
    {"dempster1977",
     "Dempster, Laird, Rubin (1977). Maximum likelihood from incomplete data via the EM algorithm. "
     "J. R. Stat. Soc. B 39.",
     "@article{dempster1977, author = {Dempster, A. P. and Laird, N. M. and Rubin, D. B.}, title = "
     "{Maximum likelihood from incomplete data via the {EM} algorithm}, journal = {Journal of the "
     "Royal Statistical Society B}, volume = {39}, year = {1977}}"},
    {"efron1979",
     "Efron (1979). Bootstrap methods: another look at the jackknife. Annals of Statistics 7.",
     "@article{efron1979, author = {Efron, Bradley}, title = {Bootstrap methods: another look at "
     "the jackknife}, journal = {Annals of Statistics}, volume = {7}, year = {1979}}"},
    {"hastie2009",
     "Hastie, Tibshirani, Friedman (2009). The elements of statistical learning. Springer.",
     "@book{hastie2009, author = {Hastie, Trevor and Tibshirani, Robert and Friedman, Jerome}, "
     "title = {The elements of statistical learning}, publisher = {Springer}, year = {2009}}"},
    {"hotelling1936", "Hotelling (1936). Relations between two sets of variates. Biometrika 28.",
     "@article{hotelling1936, author = {Hotelling, Harold}, title = {Relations between two sets of "
     "variates}, journal = {Biometrika}, volume = {28}, year = {1936}}"},
    {"huber1981", "Huber (1981). Robust statistics. Wiley.",
     "@book{huber1981, author = {Huber, Peter J.}, title = {Robust statistics}, publisher = "
     "{Wiley}, year = {1981}}"},
    {"kettenring1971",
     "Kettenring (1971). Canonical analysis of several sets of variables. Biometrika 58.",
     "@article{kettenring1971, author = {Kettenring, J. R.}, title = {Canonical analysis of "
     "several "
     "sets of variables}, journal = {Biometrika}, volume = {58}, year = {1971}}"},
    {"ledoit2004",
     "Ledoit, Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices. "
     "Journal of Multivariate Analysis 88.",
     "@article{ledoit2004, author = {Ledoit, Olivier and Wolf, Michael}, title = {A "
     "well-conditioned estimator for large-dimensional covariance matrices}, journal = {Journal of "
     "Multivariate Analysis}, volume = {88}, year = {2004}}"},
    {"meinshausen2009",
     "Meinshausen, Meier, Buehlmann (2009). P-values for high-dimensional regression. JASA 104.",
     "@article{meinshausen2009, author = {Meinshausen, Nicolai and Meier, Lukas and "
     "B{\\\"u}hlmann, "
     "Peter}, title = {p-values for high-dimensional regression}, journal = {Journal of the "
     "American Statistical Association}, volume = {104}, year = {2009}}"},
    {"owen2009",
     "Owen, Perry (2009). Bi-cross-validation of the SVD and the nonnegative matrix factorization. "
     "Annals of Applied Statistics 3.",
     "@article{owen2009, author = {Owen, Art B. and Perry, Patrick O.}, title = "
     "{Bi-cross-validation of the {SVD} and the nonnegative matrix factorization}, journal = "
     "{Annals of Applied Statistics}, volume = {3}, year = {2009}}"},
    {"rahimi2007", "Rahimi, Recht (2007). Random features for large-scale kernel machines. NIPS.",
     "@inproceedings{rahimi2007, author = {Rahimi, Ali and Recht, Benjamin}, title = {Random "
     "features for large-scale kernel machines}, booktitle = {Advances in Neural Information "
     "Processing Systems}, year = {2007}}"},
    {"rubin1982", "Rubin, Thayer (1982). EM algorithms for ML factor analysis. Psychometrika 47.",
     "@article{rubin1982, author = {Rubin, Donald B. and Thayer, Dorothy T.}, title = {{EM} "
     "algorithms for {ML} factor analysis}, journal = {Psychometrika}, volume = {47}, year = "
     "{1982}}"},
    {"shi2023",
     "Shi, Niethammer (2023). Multimodal Understanding Through Correlation Maximization and "
     "Minimization. arXiv:2305.03125.",
     "@misc{shi2023, author = {Shi, Yifeng and Niethammer, Marc}, title = {Multimodal "
     "Understanding "
     "Through Correlation Maximization and Minimization}, year = {2023}}"},
    {"vinod1976",
     "Vinod (1976). Canonical ridge and econometrics of joint production. Journal of Econometrics "
     "4.",
     "@article{vinod1976, author = {Vinod, Hrishikesh D.}, title = {Canonical ridge and "
     "econometrics of joint production}, journal = {Journal of Econometrics}, volume = {4}, year = "
     "{1976}}"},
    {"westfall1993", "Westfall, Young (1993). Resampling-based multiple testing. Wiley.",
     "@book{westfall1993, author = {Westfall, Peter H. and Young, S. Stanley}, title = "
     "{Resampling-based multiple testing}, publisher = {Wiley}, year = {1993}}"},
    {"winkler2015",
     "Winkler, Webster, Vidaurre, Nichols, Smith (2015). Multi-level block permutation. NeuroImage "
     "123.",
     "@article{winkler2015, author = {Winkler, Anderson M. and Webster, Matthew A. and Vidaurre, "
     "Diego and Nichols, Thomas E. and Smith, Stephen M.}, title = {Multi-level block "
     "permutation}, "
     "journal = {NeuroImage}, volume = {123}, year = {2015}}"},
    {"winkler2020",
     "Winkler, Renaud, Smith, Nichols (2020). Permutation inference for canonical correlation "
     "analysis. NeuroImage 220.",
     "@article{winkler2020, author = {Winkler, Anderson M. and Renaud, Olivier and Smith, Stephen "
     "M. and Nichols, Thomas E.}, title = {Permutation inference for canonical correlation "
     "analysis}, journal = {NeuroImage}, volume = {220}, year = {2020}}"},
};
