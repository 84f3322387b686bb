//! The images of a server in the order that decides the default.

use std::collections::HashMap;

use crate::{BootImage, BootImageId, Problem};

/// Images with ids of their own, in order: the default of a Mac is the first that is for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootImages(Vec<BootImage>);

/// Which image a Mac gets that does not choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultRule {
    /// An `IsDefault` image that lists the Mac's model goes before one for every model.
    ModelFirst,
    /// As Apple's server: an `IsDefault` image for every model goes before one that lists the
    /// model.
    Apple,
}

impl BootImages {
    /// Puts images in order; `read` is in reading order, by name. Of two with one id the first
    /// stays, and the other is returned.
    pub fn new(read: Vec<BootImage>, rule: DefaultRule) -> (Self, Vec<(BootImage, Problem)>) {
        let mut taken: HashMap<BootImageId, String> = HashMap::with_capacity(read.len());
        let mut refused = Vec::new();
        let mut images = Vec::with_capacity(read.len());
        for image in read {
            match taken.get(&image.id) {
                Some(other) => {
                    let problem = Problem::DuplicateId { id: image.id, other: other.clone() };
                    refused.push((image, problem));
                }
                None => {
                    taken.insert(image.id, image.folder.clone());
                    images.push(image);
                }
            }
        }
        let rank = |image: &BootImage| match (image.default, image.enabled_models.is_empty(), rule) {
            (false, _, _) => 2,
            (true, true, DefaultRule::Apple) | (true, false, DefaultRule::ModelFirst) => 0,
            (true, _, _) => 1,
        };
        // Among general defaults the one read last goes first, as with Apple's server.
        let general = |image: &BootImage| image.default && image.enabled_models.is_empty();
        let mut ordered: Vec<BootImage> =
            images.iter().filter(|image| general(image)).rev().cloned().collect();
        ordered.extend(images.into_iter().filter(|image| !general(image)));
        ordered.sort_by_key(rank);
        (BootImages(ordered), refused)
    }

    /// All images, in order.
    pub fn iter(&self) -> impl Iterator<Item = &BootImage> {
        self.0.iter()
    }

    /// The image with this id.
    pub fn by_id(&self, id: BootImageId) -> Option<&BootImage> {
        self.0.iter().find(|image| image.id == id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
